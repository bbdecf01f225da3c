/** What agents are called with by what they are started: where others dial them. */
import { expect, test } from "vitest";
import { nodeId, siteId } from "../../src/core/ids.ts";
import { PlaceSpec } from "../../src/world/cluster/place-spec.ts";
import { agentsOf } from "../../src/world/cluster/placing.ts";

const site = siteId("oregon");
const node = { id: nodeId(site, "worker", 0), site, role: "worker", index: 0 } as const;
const FAR = ["tls://nats.example:4222"];
const TLS = ["--tls-ca", "/tls/ca", "--tls-cert", "/tls/cert", "--tls-key", "/tls/key"];

/** The words between those that are always there and those of the place. */
function dialled(place: Record<string, unknown>, nats = FAR): string {
  const spec = PlaceSpec.parse(place);
  const access = { version: "test" };
  const [agent] = agentsOf("run-1", [node], spec, {
    nats,
    domain: undefined,
    access,
    data: undefined,
  });
  const words = agent!.command.slice(agent!.command.indexOf("oregon/run-1") + 1);
  return words.slice(0, words.length - spec.args.length).join(" ");
}

test.each(["slurm", "ray"])("agents by %s are dialled at their machine, with TLS", (kind) => {
  const at = "--listen 0.0.0.0 --advertise {host}";
  expect(dialled({ kind, args: TLS })).toBe(at);
  expect(dialled({ kind, args: ["--tls-cert=/tls/cert"] })).toBe(at);
  expect(() => dialled({ kind })).toThrow(
    expect.objectContaining({ code: "INSECURE_ADDRESS", fix: expect.stringMatching(/--tls-cert/) }),
  );
  // As the run file says, or with everything on one machine.
  expect(dialled({ kind, args: ["--listen", "127.0.0.1"] })).toBe("");
  expect(dialled({ kind }, ["nats://127.0.0.1:4222"])).toBe("");
});

test("pods are dialled at a port of their own; processes of this machine at loopback", () => {
  const pod = "--listen 0.0.0.0:7400 --advertise {host}:7400";
  expect(dialled({ kind: "kubernetes", image: "x" })).toBe(pod);
  expect(dialled({ kind: "processes" })).toBe("");
});
