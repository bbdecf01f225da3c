/** Trees on their way to another forest: what they are made of, and how well they did where they grew. */
import type { PortionReader, PortionWriter } from "./bytes.ts";
import { type Member, memberOf } from "./forest-member.ts";
import type { TreeShape } from "./hoeffding-tree.ts";
import { Recall } from "./recall.ts";
import { readTree, writeTree } from "./tree-bytes.ts";

/** Examples of a class for which a newcomer's reputation counts at most: its own record here soon outweighs it. */
const REPUTATION = 16;

export function writeOffered(writer: PortionWriter, members: readonly Member[]): void {
  writer.u8(members.length);
  for (const { tree, recall } of members) {
    writeTree(writer, tree, "portion");
    recall.write(writer);
  }
}

/** At most `most` trees, without histograms. */
export function readOffered(reader: PortionReader, shape: TreeShape, most: number): Member[] {
  const count = reader.within(reader.u8(), 1, most, "number of trees");
  const members = Array.from({ length: count }, () => {
    const tree = readTree(reader, shape, "portion");
    return newcomer(memberOf(tree, Recall.read(reader, shape.classes)));
  });
  reader.end();
  return members;
}

function newcomer(member: Member): Member {
  const { seen, right } = member.recall;
  const sum = (values: Float32Array): number => values.reduce((a, b) => a + b, 0);
  member.error = Math.fround(1 - sum(right) / Math.max(1, sum(seen)));
  member.age = REPUTATION;
  for (let c = 0; c < seen.length; c++) {
    const part = Math.min(1, REPUTATION / Math.max(1, seen[c] as number));
    seen[c]! *= part;
    right[c]! *= part;
  }
  return member;
}
