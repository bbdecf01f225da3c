/** A tree of a forest with what is known of its recent predictions. */
import type { PortionReader, PortionWriter } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { ErrorTest } from "./error-test.ts";
import { HoeffdingTree, type TreeShape } from "./hoeffding-tree.ts";
import { Recall } from "./recall.ts";
import { readTree, treeBytes, writeTree } from "./tree-bytes.ts";

export interface Member {
  tree: HoeffdingTree;
  recall: Recall;
  /** Recent share of wrong predictions, over `age` examples at most. */
  error: number;
  age: number;
  readonly test: ErrorTest;
  /** Grows since a warning. */
  background: Member | undefined;
  /** Examples since then. */
  waited: number;
}

export const memberOf = (tree: HoeffdingTree, recall: Recall): Member => ({
  tree,
  recall,
  error: 1,
  age: 0,
  test: new ErrorTest(),
  background: undefined,
  waited: 0,
});

export const newMember = (shape: TreeShape, dice: Dice): Member =>
  memberOf(new HoeffdingTree(shape, dice), new Recall(shape.classes));

export function memberBytes({ tree, recall, background }: Member): number {
  const own = treeBytes(tree, "model") + 8 * recall.seen.length + 16 + 6;
  return own + 3 + (background ? memberBytes(background) : 0);
}

/** A background tree has none of its own, so that this ends. */
export function writeMember(writer: PortionWriter, member: Member): void {
  writeTree(writer, member.tree, "model");
  member.recall.write(writer);
  writer.f32(member.error);
  writer.u16(member.age);
  member.test.write(writer);
  writer.u16(member.waited);
  writer.u8(member.background ? 1 : 0);
  if (member.background) writeMember(writer, member.background);
}

export function readMember(reader: PortionReader, shape: TreeShape, deep = true): Member {
  const tree = readTree(reader, shape, "model");
  const recall = Recall.read(reader, shape.classes);
  const error = reader.within(reader.weight("error of a tree"), 0, 1, "error of a tree");
  const age = reader.within(reader.u16(), 0, 1024, "age of a tree");
  const test = ErrorTest.read(reader);
  const waited = reader.u16();
  const has = reader.within(reader.u8(), 0, deep ? 1 : 0, "presence of a background tree");
  const background = has === 1 ? readMember(reader, shape, false) : undefined;
  return { tree, recall, error, age, test, background, waited };
}
