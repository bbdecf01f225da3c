/**
 * Who can be done without, by what a deployment says: a worker whose domain keeps another, a domain beside others. A
 * shard's owner takes its domain with it, and so does the last worker: a copy of which a part is gone, or that nobody
 * trains, is of no use. A domain that nothing is beside, and a coordinator, are what the run stands on.
 */
import { PangaeaError } from "../core/errors.ts";
import type { NodeId } from "../core/ids.ts";
import type { MemberRules, Members } from "../world/members.ts";
import type { Deployment, Domain } from "./contract.ts";

/** Where the run ends with a node: who, and why. */
const lost = (node: NodeId, why: string): PangaeaError =>
  new PangaeaError("MEMBER_LOST", `${node} has left, and the run cannot go on: ${why}`);

const nodesOf = (domain: Domain): readonly NodeId[] =>
  [...domain.owners, ...domain.workers].map(({ node }) => node.id);

/** The first of a domain's nodes in `gone` without which it is of no use, and why. */
function fatal(
  { owners, workers }: Domain,
  gone: (node: NodeId) => boolean,
): { readonly node: NodeId; readonly why: string } | undefined {
  const owner = owners.find(({ node }) => gone(node.id));
  if (owner) return { node: owner.node.id, why: "it holds a part of the only copy" };
  if (workers.some(({ node }) => !gone(node.id))) return undefined;
  const node = workers.at(-1)?.node.id;
  return node && { node, why: "nobody is left to train" };
}

export function memberRules({ domains, extra }: Deployment): MemberRules {
  return {
    withdrawal(leaving, members) {
      const all = new Set(leaving.filter((node) => members.present(node)));
      const gone = (node: NodeId): boolean => all.has(node) || !members.present(node);
      for (const { node } of extra) {
        if (all.has(node.id)) throw lost(node.id, `it is the run's only ${node.role}`);
      }
      let fell: { readonly node: NodeId; readonly why: string } | undefined;
      let standing = 0;
      for (const domain of domains) {
        const reason = fatal(domain, gone);
        if (!reason) {
          standing++;
          continue;
        }
        if (all.has(reason.node)) fell = reason;
        for (const node of nodesOf(domain)) if (members.present(node)) all.add(node);
      }
      if (standing === 0) {
        const why = domains.length > 1 ? "no other site is left" : fell?.why;
        throw lost(fell?.node ?? leaving[0] ?? ("nobody" as NodeId), why ?? "nothing is left");
      }
      return [...all];
    },
    refusal(joining, members) {
      const there = new Set(joining);
      for (const domain of domains) {
        const mine = nodesOf(domain);
        if (!mine.some((node) => there.has(node))) continue;
        const reason = fatal(domain, (node) => !there.has(node) && !members.present(node));
        if (reason) return `cannot join while ${reason.node} is absent`;
      }
      return undefined;
    },
  };
}

/** Whether the run can go on without the node (and those who leave with it). */
export function dispensable(deployment: Deployment, members: Members, node: NodeId): boolean {
  try {
    memberRules(deployment).withdrawal([node], members);
    return true;
  } catch (error) {
    if (error instanceof PangaeaError && error.code === "MEMBER_LOST") return false;
    throw error;
  }
}
