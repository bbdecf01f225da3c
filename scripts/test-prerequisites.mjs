/**
 * What the tests need beside npm's packages: a Chromium, in which reports are opened, a NATS server for the control
 * bus, NSS's certutil, by which Chromium learns whom to trust, and Slurm's daemons, of which tests make a cluster of three
 * nodes on this machine. Where one is not found, Debian's is installed with apt-get (as root, or through sudo without a
 * password).
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

const CHROMIUM = {
  what: "Chromium",
  variable: "CHROMIUM_PATH",
  names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"],
  folders: ["/usr/bin"],
  places: [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ],
  packages: ["chromium", "fonts-dejavu-core"],
  purpose: "the tests that open reports",
};

const NATS = {
  what: "nats-server",
  variable: "NATS_SERVER_PATH",
  names: ["nats-server"],
  // Debian keeps servers where ordinary users do not look.
  folders: ["/usr/sbin", "/usr/bin", "/usr/local/bin"],
  places: [],
  packages: ["nats-server"],
  purpose: "the tests of the control bus",
};

const CERTUTIL = {
  what: "certutil",
  variable: "CERTUTIL_PATH",
  names: ["certutil"],
  folders: ["/usr/bin"],
  places: [],
  packages: ["libnss3-tools"],
  purpose: "the tests in which a page trusts an authority",
};

/** Slurm is there when all of these are. */
const SLURM_PROGRAMS = ["slurmctld", "slurmd", "srun", "slurmrestd"];
const SLURM = {
  what: "Slurm",
  variable: "SLURM_PATH",
  folders: ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"],
  packages: [
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurmrestd",
    "slurm-wlm-basic-plugins",
    "slurm-wlm-jwt-plugin",
  ],
  purpose: "the tests of placement",
  // Its variable names a folder that has the programs.
  find: () => {
    const found = findSlurm();
    const there = Object.values(found).every((program) => program !== undefined);
    return there && hasTokens() ? found : undefined;
  },
};

function find({ variable, names, folders, places }) {
  const named = process.env[variable];
  if (named) return existsSync(named) ? named : undefined;
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [
    ...[...path, ...folders].flatMap((folder) => names.map((name) => join(folder, name))),
    ...places,
  ];
  return candidates.find((candidate) => existsSync(candidate));
}

/** The path of a Chromium, or nothing. */
export const findChromium = () => find(CHROMIUM);

/** The path of a nats-server, or nothing. */
export const findNatsServer = () => find(NATS);

/** The path of NSS's certutil, which tells Chromium whom to trust, or nothing. */
export const findCertutil = () => find(CERTUTIL);

/** Whether Debian's Slurm has its plugin for JSON Web Tokens; whoever names another Slurm sees to that. */
function hasTokens() {
  if (process.env[SLURM.variable]) return true;
  const libraries = readdirSync("/usr/lib").map((name) => join("/usr/lib", name, "slurm-wlm"));
  return libraries.some((folder) => existsSync(join(folder, "auth_jwt.so")));
}

/** The path of each of Slurm's programs, or nothing for one that is absent. */
export function findSlurm() {
  const folder = process.env[SLURM.variable];
  const folders = folder ? [folder] : SLURM.folders;
  const path = (name) => folders.map((at) => join(at, name)).find((file) => existsSync(file));
  return Object.fromEntries(SLURM_PROGRAMS.map((name) => [name, path(name)]));
}

function fail({ what, variable, packages }, reason) {
  console.error(`No ${what} for the tests: ${reason}
Install one (Debian: apt-get install ${packages[0]}) or name it in ${variable}.`);
  process.exit(1);
}

function install(program) {
  const { what, variable, packages, purpose } = program;
  if (process.env[variable])
    fail(program, `${variable} names ${process.env[variable]}, which is absent.`);
  if (process.platform !== "linux" || !existsSync("/usr/bin/apt-get")) {
    fail(program, "none was found, and this machine has no apt-get.");
  }
  const root = process.getuid?.() === 0;
  if (!root && spawnSync("sudo", ["-n", "true"]).status !== 0) {
    fail(program, "none was found, and installing one needs root.");
  }
  const apt = (...words) => {
    const command = [...(root ? [] : ["sudo", "-n"]), "apt-get", ...words];
    console.error(`> ${command.join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return spawnSync(command[0], command.slice(1), { stdio: ["ignore", "ignore", "inherit"], env });
  };
  console.error(`No ${what} found: installing Debian's, once, for ${purpose}.`);
  const words = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  if (apt(...words).status === 0) return;
  if (apt("update", "-q").status !== 0 || apt(...words).status !== 0) {
    fail(program, "apt-get could not install it.");
  }
}

if (
  import.meta.url === `file://${process.argv[1]}` ||
  process.argv[1]?.endsWith("test-prerequisites.mjs")
) {
  for (const program of [CHROMIUM, NATS, CERTUTIL, SLURM]) {
    const there = () => (program.find ?? (() => find(program)))();
    if (there()) continue;
    install(program);
    if (!there()) fail(program, "apt-get ended well, yet there is none.");
  }
}
