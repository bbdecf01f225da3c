/** Kubernetes: what is sent is valid, what comes back is understood, and nothing is left behind. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import {
  OWN_HOST,
  type PlacedProcess,
  type WaitingNote,
} from "../../src/world/cluster/place/contract.ts";
import {
  type KubernetesOptions,
  kubernetesPlacer,
} from "../../src/world/cluster/place/kubernetes/kubernetes.ts";
import {
  groupsOf,
  jobOf,
  jobSetOf,
  type KubeObject,
} from "../../src/world/cluster/place/kubernetes/manifest.ts";
import { quantity } from "../../src/world/cluster/place/kubernetes/nodes.ts";
import { podState } from "../../src/world/cluster/place/kubernetes/pods.ts";
import { Ledger } from "../../src/world/cluster/place/ledger.ts";
import { kubernetesProblems } from "./kubernetes-schemas.ts";
import { failure, wanted } from "./place-fixtures.ts";
import { FakeKubernetes } from "./place-kubernetes-api.ts";

let api: FakeKubernetes;
beforeEach(async () => {
  api = new FakeKubernetes();
  await api.start();
});
afterEach(() => api.stop());

/** Pauses of a second take a millisecond. */
const hasty = () => {
  const { now, after } = realTimers();
  return {
    now,
    after: (micros: number, action: () => void) =>
      after(micros < 10 * SECOND ? Math.min(micros, 1_000) : micros, action),
  };
};

const placer = (more: Partial<KubernetesOptions> = {}) =>
  kubernetesPlacer({
    access: { address: api.address, namespace: "training", token: () => "secret" },
    image: "example.org/pangaea:1",
    timers: hasty(),
    ...more,
  });

const node = (name: string, site: string): PlacedProcess =>
  wanted(name, ["pangaea", "node", "--site", site, "--name", name], {
    site,
    labels: { "topology.kubernetes.io/region": site },
    env: { NODE_NAME: name, SHARED: "it's" },
  });
const ALL = [node("o-0", "oregon"), node("o-1", "oregon"), node("i-0", "ireland")];
const RUNNING = { phase: "Running" };
const ended = (exitCode: number, message?: string) => ({
  phase: exitCode === 0 ? "Succeeded" : "Failed",
  containerStatuses: [{ state: { terminated: { exitCode, ...(message ? { message } : {}) } } }],
});

describe("manifests", () => {
  const groups = groupsOf(ALL);
  const mounts = [
    { kind: "secret", name: "pangaea-node", path: "/etc/pangaea/keys" },
    { kind: "claim", name: "data", path: "/data" },
    { kind: "configMap", name: "settings", path: "/etc/pangaea/settings" },
  ] as const;
  const options = { image: "example.org/pangaea:1", mounts, gpuResource: "amd.com/gpu" };

  test("a Job a site, an index a process; valid by the schema, as a JobSet, too", () => {
    const jobs = groups.map((group) => jobOf("pangaea-1", group, options));
    expect(jobs.map(({ metadata }) => metadata.name)).toEqual(["pangaea-1-g0", "pangaea-1-g1"]);
    expect([...jobs, jobSetOf("pangaea-1", groups, options)].map(kubernetesProblems)).toEqual([
      [],
      [],
      [],
    ]);
    expect(jobs[0]).toMatchObject({
      spec: { completionMode: "Indexed", completions: 2, parallelism: 2, backoffLimitPerIndex: 0 },
    });
  });

  test("the index chooses what differs between the pods; a shell hands words on as they are", () => {
    const job = jobOf("r", groups[0]!, options) as unknown as {
      spec: { template: { spec: { containers: { command: string[]; env: object[] }[] } } };
    };
    const [container] = job.spec.template.spec.containers;
    expect(container?.env).toEqual([{ name: "SHARED", value: "it's" }]);
    expect(container?.command[2]?.split("\n")).toEqual([
      'case "$JOB_COMPLETION_INDEX" in',
      "0) exec env NODE_NAME=o-0 pangaea node --site oregon --name o-0 ;;",
      "1) exec env NODE_NAME=o-1 pangaea node --site oregon --name o-1 ;;",
      "esac",
      "",
    ]);
  });

  test("what a shell or Kubernetes would replace stays as it is", () => {
    const odd = { ...ALL[0]!, command: ["echo", "$(HOME)", "$$", "it's $X"], env: { A: "$(B)" } };
    expect(jobOf("r", groupsOf([odd])[0]!, options)).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [
              {
                command: ["echo", "$$(HOME)", "$$$$", "it's $$X"],
                env: [{ name: "A", value: "$$(B)" }],
              },
            ],
          },
        },
      },
    });
  });

  test("a pod is told the name that its Service gives it", () => {
    const named = ALL.map((one) => ({ ...one, env: {}, command: ["x", `${OWN_HOST}:7400`] }));
    const [group] = groupsOf(named);
    const inNamespace = { ...options, namespace: "training", service: "peers" };
    const text = JSON.stringify(jobOf("r", group!, inNamespace));
    expect(text).toContain('"subdomain":"peers"');
    expect(text).toContain("0) exec x r-g0-0.peers.training.svc:7400 ;;");
    expect(text).toContain("1) exec x r-g0-1.peers.training.svc:7400 ;;");
    const set = JSON.stringify(jobSetOf("r", [group!], inNamespace));
    expect(set).toContain("1) exec x r-g0-0-1.peers.training.svc:7400 ;;");
    expect(set).toContain('"subdomain":"peers"');
  });

  test("pods keep to the restricted standard, and read secrets whoever their user is", () => {
    const [group] = groupsOf(ALL);
    expect(jobOf("r", group!, options)).toMatchObject({
      spec: {
        template: {
          spec: {
            securityContext: {
              runAsNonRoot: true,
              fsGroup: 1000,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [
              {
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ["ALL"] },
                },
              },
            ],
            volumes: [{ secret: { defaultMode: 0o440 } }, {}, {}],
          },
        },
      },
    });
  });

  test("GPUs, capacity and labels separate groups and reach the pod", () => {
    const large = { ...ALL[1]!, gpus: 2, cores: 4 };
    const split = groupsOf([ALL[0]!, large]);
    expect(split.map(({ processes }) => processes.length)).toEqual([1, 1]);
    const job = jobOf("r", split[1]!, options);
    expect(job).toMatchObject({
      spec: {
        template: {
          spec: {
            nodeSelector: { "topology.kubernetes.io/region": "oregon" },
            containers: [
              {
                command: ["pangaea", "node", "--site", "oregon", "--name", "o-1"],
                resources: {
                  requests: { cpu: "4", memory: "64000000" },
                  limits: { "amd.com/gpu": "2" },
                },
              },
            ],
          },
        },
      },
    });
  });

  test.each([
    [{ image: "" }, /image/],
    [
      { image: "x", mounts: [{ kind: "secret", name: "Bad_Name", path: "/x" }] as const },
      /Bad_Name/,
    ],
    [
      { image: "x", mounts: [{ kind: "secret", name: "x", path: "relative" }] as const },
      /mountPath/,
    ],
  ])("the schema sees what is wrong: %j", (wrong, where) => {
    expect(kubernetesProblems(jobOf("r", groups[0]!, wrong)).join()).toMatch(where);
  });
});

describe("placing", () => {
  test.each(["Jobs", "a JobSet"])("as %s: all run, one fails, all are taken back", async (as) => {
    api.jobSets = as === "a JobSet";
    const notes: WaitingNote[] = [];
    await Scope.run(async (scope) => {
      const placing = placer({ waiting: (note) => notes.push(note) }).place(ALL, scope);
      await api.asked(/watch=1/);
      expect(api.made.length).toBe(as === "a JobSet" ? 1 : 2);
      const message = "0/3 nodes are available";
      const unscheduled = {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message,
      };
      api.play("g0/1", { phase: "Pending", conditions: [unscheduled] });
      api.play("g0/1", { phase: "Pending" });
      api.play("g0/1", { phase: "Pending", conditions: [unscheduled] });
      api.play("g0/0", RUNNING);
      api.play("g0/1", RUNNING);
      api.play("g1/0", RUNNING);
      const placed = await placing;
      api.play("g0/1", ended(3, "first\nno data\n"));
      expect(await placed.placements[1]?.ended).toEqual({
        how: "exit code 3",
        lastLines: ["first", "no data"],
      });
      expect(api.podCount).toBe(3);
      await placed.cancel();
      const [first] = await Promise.all(placed.placements.map(({ ended }) => ended));
      expect(first?.how).toBe("kubernetes: deleted");
    });
    expect([api.made, api.podCount]).toEqual([[], 0]);
    const why = "Unschedulable: 0/3 nodes are available";
    expect(notes.filter((note) => note.why !== "Pending")).toEqual([{ name: "o-1", why }]);
  });

  test("when all have ended, what was made is taken away; last lines come from the log", async () => {
    await Scope.run(async (scope) => {
      const placing = placer().place(ALL.slice(2), scope);
      await api.asked(/watch=1/);
      const pod = `${(api.made[0] as { metadata: { name: string } }).metadata.name}-0-0`;
      api.logs.set(pod, "one\ntwo\n");
      api.play("g0/0", ended(0));
      const { placements } = await placing;
      expect(await placements[0]?.ended).toEqual({ how: "exit code 0", lastLines: ["one", "two"] });
      await scope.join();
      expect(api.made).toEqual([]);
    });
  });

  test("pods that are never made, or do not get on, wait with the reason that events tell", async () => {
    api.forbidden = "exceeded quota: pods=3";
    const notes: WaitingNote[] = [];
    let told: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      told = resolve;
    });
    const waiting = (note: WaitingNote): void => {
      notes.push(note);
      if (/FailedMount|quota/.test(note.why)) told();
    };
    const error = await failure(
      Scope.run(async (scope) => {
        const placing = placer({ waiting }).place(ALL.slice(2), scope);
        placing.catch(() => {});
        await heard;
        scope.cancel("enough");
        await placing;
      }),
    );
    expect(error.code).toBe("CANCELLED");
    const why = "FailedCreate: Error creating: its pod is forbidden: exceeded quota: pods=3";
    expect(notes).toEqual([{ name: "i-0", why }]);
  });

  test("a pod that stays, as its node does not answer, is named and no longer waited for", async () => {
    api.deaf = true;
    const { now, after } = hasty();
    const timers = {
      now,
      after: (micros: number, action: () => void) =>
        after(micros === 65 * SECOND ? 1 : micros, action),
    };
    const error = await failure(
      Scope.run(async (scope) => {
        const placing = placer({ timers, graceSeconds: 5 }).place(ALL.slice(2), scope);
        await api.asked(/watch=1/);
        api.playAll(RUNNING);
        const placed = await placing;
        await placed.cancel();
      }),
    );
    expect(error.code).toBe("PLACEMENT_LEFT");
    expect(error.message).toMatch(/^could not be ended: i-0 \(pod pangaea-\w+-g0-0 in training\)$/);
    expect(String(error.cause)).toMatch(
      /its pod pangaea-\w+-g0-0-0 is still there: its node may not answer/,
    );
  });

  test("one that ends before all run takes all back", async () => {
    const error = await failure(
      Scope.run(async (scope) => {
        const placing = placer().place(ALL, scope);
        await api.asked(/watch=1/);
        api.play("g0/0", RUNNING);
        const waiting = { reason: "InvalidImageName", message: "bad image" };
        api.play("g1/0", { phase: "Pending", containerStatuses: [{ state: { waiting } }] });
        await placing;
      }),
    );
    expect(error.code).toBe("PLACEMENT_FAILED");
    expect(error.message).toBe("i-0 ended before all ran: kubernetes: InvalidImageName: bad image");
    expect([api.made, api.podCount]).toEqual([[], 0]);
  });

  test("a watch that drops or expires is begun anew, and what was missed is seen", async () => {
    await Scope.run(async (scope) => {
      const placing = placer().place(ALL, scope);
      await api.asked(/watch=1/);
      api.playAll(RUNNING);
      const { placements } = await placing;
      api.playUnseen("g0/0", ended(1, "unseen"));
      api.dropWatches();
      expect((await placements[0]?.ended)?.lastLines).toEqual(["unseen"]);
      await api.asked(/watch=1/, 2);
      api.playUnseen("g1/0", "deleted");
      api.refusals.push({ matches: /watch=1/, status: 410 });
      api.expireWatches();
      expect((await placements[2]?.ended)?.how).toBe("kubernetes: deleted");
    });
  });

  test.each([429, 500, 503])("%i passes: what is asked again is made once", async (status) => {
    api.refusals.push(
      { matches: /^POST/, status, after: true },
      { matches: /^GET .*pods/, status },
    );
    await Scope.run(async (scope) => {
      const placing = placer().place(ALL.slice(2), scope);
      await api.asked(/watch=1/);
      expect(api.made.length).toBe(1);
      api.playAll(RUNNING);
      await placing;
      api.refusals.push({ matches: /^DELETE/, status });
    });
    expect(api.made).toEqual([]);
  });

  test.each([
    [401, "SCHEDULER_FORBIDDEN"],
    [403, "SCHEDULER_FORBIDDEN"],
    [409, "SCHEDULER_REFUSED"],
    [422, "SCHEDULER_REFUSED"],
  ])("%i is final: what was made before is deleted", async (status, code) => {
    // The second Job of two.
    api.refusals.push({ matches: /^POST/, status, message: "exceeded quota: pods=3", skips: 1 });
    const error = await failure(Scope.run((scope) => placer().place(ALL, scope)));
    expect(error.code).toBe(code);
    expect(error.message).toContain("exceeded quota");
    expect(error.message).not.toContain("secret");
    expect([api.made, api.podCount]).toEqual([[], 0]);
  });

  test("pods that the account may not watch are lost, and all is taken back", async () => {
    api.refusals.push({ matches: /^GET .*pods/, status: 403, message: "pods is forbidden" });
    const error = await failure(Scope.run((scope) => placer().place(ALL, scope)));
    expect(error.message).toContain("pods is forbidden");
    expect(api.made).toEqual([]);
  });

  test("a server that drops what it does not know is too old", async () => {
    api.old = true;
    const error = await failure(Scope.run((scope) => placer().place(ALL, scope)));
    expect(error.fix).toBe("Kubernetes 1.29 or later is needed");
    expect(api.made).toEqual([]);
  });

  test("cancelling the wait takes all back; until then there is a command for each", async () => {
    const ledger = new Ledger();
    const error = await failure(
      Scope.run(async (scope) => {
        const placing = placer({ ledger }).place(ALL, scope);
        await api.asked(/watch=1/);
        const commands = ledger.entries().map(([, command]) => command);
        expect(commands).toEqual(
          (api.made as KubeObject[]).map(
            ({ metadata }) => `kubectl delete job/${metadata.name} --namespace training`,
          ),
        );
        scope.cancel("enough");
        await placing;
      }),
    );
    expect(error.code).toBe("CANCELLED");
    expect([api.made, api.podCount, ledger.entries()]).toEqual([[], 0, []]);
  });

  test("what no node has is said with its place and the nearest that there is", async () => {
    const region = "topology.kubernetes.io/region";
    const allocatable = { cpu: "3920m", memory: "1Gi" };
    api.nodes = [
      { metadata: { name: "n", labels: { [region]: "oregon" } }, status: { allocatable } },
    ];
    const asked = [
      node("a", "oregn"),
      { ...node("b", "oregon"), cores: 4 },
      { ...node("c", "oregon"), labels: { "topology.kubernetes.io/regio": "oregon" } },
      { ...node("d", "oregon"), gpus: 1 },
    ];
    const error = await failure(Scope.run((scope) => placer().place(asked, scope)));
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).issues.map(({ path, fix }) => [path?.join(" "), fix])).toEqual([
      [`a labels ${region}`, 'did you mean "oregon"?'],
      ["b cores", "the largest has 3.92 cores"],
      ["c labels topology.kubernetes.io/regio", `did you mean "${region}"?`],
      ["d gpus", "the largest has 0 GPUs"],
    ]);
    expect(api.requests.filter((line) => line.startsWith("POST"))).toEqual([]);
  });
});

test.each([
  [
    { phase: "Failed", reason: "Evicted", message: "low on memory" },
    "kubernetes: Evicted (low on memory)",
  ],
  [
    {
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: "OOMKilled" } } }],
    },
    "kubernetes: OOMKilled",
  ],
  [
    {
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 0, signal: 9, reason: "Error" } } }],
    },
    "signal 9",
  ],
  [{ phase: "Failed" }, "kubernetes: Failed"],
])("a pod's end: %j", (status, how) => {
  expect(podState({ metadata: { name: "p" }, status })).toEqual({
    phase: "ended",
    how,
    well: false,
  });
});

test.each([
  ["3920m", 3.92],
  ["16Gi", 2 ** 34],
  ["8", 8],
  ["1500k", 1.5e6],
  [undefined, 0],
])("the quantity %s is %d", (text, number) => expect(quantity(text)).toBeCloseTo(number, 9));
