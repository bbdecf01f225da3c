/**
 * What the tests need beside npm's packages: a Chromium, in which reports are opened. Where none is found,
 * Debian's is installed with apt-get (as root, or through sudo without a password).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The path of a Chromium, or nothing. */
export function findChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named) return existsSync(named) ? named : undefined;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [
    ...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))),
    ...NAMES.map((name) => `/usr/bin/${name}`),
    ...PLACES,
  ];
  return candidates.find((path) => existsSync(path));
}

function fail(reason) {
  console.error(`No Chromium for the tests: ${reason}
Install one (Debian: apt-get install chromium) or name it in CHROMIUM_PATH.`);
  process.exit(1);
}

function install() {
  if (process.env.CHROMIUM_PATH)
    fail(`CHROMIUM_PATH names ${process.env.CHROMIUM_PATH}, which is absent.`);
  if (process.platform !== "linux" || !existsSync("/usr/bin/apt-get")) {
    fail("none was found, and this machine has no apt-get.");
  }
  const root = process.getuid?.() === 0;
  if (!root && spawnSync("sudo", ["-n", "true"]).status !== 0) {
    fail("none was found, and installing one needs root.");
  }
  const apt = (...words) => {
    const command = [...(root ? [] : ["sudo", "-n"]), "apt-get", ...words];
    console.error(`> ${command.join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return spawnSync(command[0], command.slice(1), { stdio: ["ignore", "ignore", "inherit"], env });
  };
  console.error("No Chromium found: installing Debian's, once, for the tests that open reports.");
  const words = ["install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"];
  if (apt(...words).status === 0) return;
  if (apt("update", "-q").status !== 0 || apt(...words).status !== 0) {
    fail("apt-get could not install it.");
  }
}

if (
  import.meta.url === `file://${process.argv[1]}` ||
  process.argv[1]?.endsWith("test-prerequisites.mjs")
) {
  if (!findChromium()) {
    install();
    if (!findChromium()) fail("apt-get ended well, yet there is none.");
  }
}
