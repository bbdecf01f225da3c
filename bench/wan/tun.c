/*
 * A wide-area link between two programs, in user space: each runs in a network namespace of its own, the two joined
 * by a TUN device each, and this program carries their packets from one to the other with a rate, a delay, jitter,
 * loss and a queue that drops what does not fit. So both speak real kernel TCP, end to end. Needs user namespaces
 * (run it under `unshare -Ur`) and /dev/net/tun. All addresses lie in 127/8, so that no packet can leave the machine:
 * the first program is 127.10.0.1, the second 127.10.0.2.
 *
 *   tun <Mbit/s> <one-way ms> <jitter ms> <loss> <queue bytes> <mtu> <first program> <second program>
 *
 * Programs are lines for sh. Ends when the second ends, with its status.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 65536 /* packets under way in one direction */

struct packet { double at; int length; char *bytes; };
struct direction { struct packet slots[SLOTS]; unsigned head, tail; double free, last; };

static void need(int ok, const char *what) { if (!ok) { perror(what); exit(70); } }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void set_file(const char *path, const char *value) {
  int file = open(path, O_WRONLY);
  need(file >= 0 && write(file, value, strlen(value)) > 0, path);
  close(file);
}

static void configure(const char *name, const char *address, const char *mask, int mtu) {
  int sock = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  strcpy(request.ifr_name, name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  need(ioctl(sock, SIOCSIFFLAGS, &request) == 0, "up");
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  need(ioctl(sock, SIOCSIFADDR, &request) == 0, "address");
  inet_pton(AF_INET, mask, &in->sin_addr);
  need(ioctl(sock, SIOCSIFNETMASK, &request) == 0, "mask");
  request.ifr_mtu = mtu;
  need(mtu == 0 || ioctl(sock, SIOCSIFMTU, &request) == 0, "mtu");
  close(sock);
}

/* Enters a new namespace, makes its end of the link, starts the program there; answers the device. */
static int start(int side, int mtu, const char *program, pid_t *pid) {
  char address[] = "127.10.0.1";
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "wan"};
  need(unshare(CLONE_NEWNET) == 0, "unshare: a network namespace");
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  need(device >= 0, "/dev/net/tun");
  need(ioctl(device, TUNSETIFF, &request) == 0, "TUNSETIFF");
  address[sizeof address - 2] += side;
  configure("lo", "127.0.0.1", "255.255.255.255", 0);
  set_file("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
  set_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
  configure("wan", address, "255.255.255.0", mtu);
  set_file("/proc/sys/net/ipv4/conf/wan/route_localnet", "1");
  set_file("/proc/sys/net/ipv4/conf/wan/rp_filter", "0");
  if ((*pid = fork()) == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/bin/sh", "sh", "-c", program, (char *)0);
    _exit(127);
  }
  return device;
}

int main(int count, char **args) {
  if (count != 9) return fprintf(stderr, "tun: see the head of tun.c\n"), 64;
  double rate = atof(args[1]) * 1e6 / 8, delay = atof(args[2]) / 1e3, jitter = atof(args[3]) / 1e3;
  double loss = atof(args[4]), queue = atof(args[5]);
  static struct direction ways[2];
  static char bytes[65536];
  pid_t programs[2];
  struct pollfd ends[2];
  for (int side = 0; side < 2; side++)
    ends[side] = (struct pollfd){start(side, atoi(args[6]), args[7 + side], &programs[side]), POLLIN, 0};
  srand48(1);
  for (;;) {
    double time = now(), next = time + 0.05;
    for (int from = 0; from < 2; from++) {
      struct direction *way = &ways[from];
      for (int length; (length = read(ends[from].fd, bytes, sizeof bytes)) > 0;) {
        time = now();
        double starts = way->free > time ? way->free : time;
        if ((starts - time) * rate > queue || drand48() < loss || way->tail - way->head == SLOTS) continue;
        way->free = starts + length / rate;
        double arrives = way->free + delay + jitter * drand48();
        if (arrives < way->last) arrives = way->last; /* TCP takes reordering for loss */
        way->last = arrives;
        struct packet *packet = &way->slots[way->tail++ % SLOTS];
        *packet = (struct packet){arrives, length, memcpy(malloc(length), bytes, length)};
      }
      for (; way->head != way->tail; way->head++) {
        struct packet *packet = &way->slots[way->head % SLOTS];
        if (packet->at > now()) { if (packet->at < next) next = packet->at; break; }
        if (write(ends[1 - from].fd, packet->bytes, packet->length) < 0 && errno == EIO) errno = 0;
        free(packet->bytes);
      }
    }
    int status;
    if (waitpid(programs[1], &status, WNOHANG) == programs[1]) {
      kill(programs[0], SIGKILL);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    double left = next - now();
    struct timespec wait = {0, left > 0 ? (long)(left * 1e9) : 0};
    ppoll(ends, 2, &wait, NULL);
  }
}
