/**
 * Trees as bytes: nodes in preorder, a branch before its left and then its right subtree, so that children need no
 * numbers and no bytes can say a cycle or a node that is not there. A portion holds branches and leaves' weights, rounded
 * up; a saved tree everything.
 */
import { type PortionReader, type PortionWriter, portionInvalid } from "./bytes.ts";
import type { Purpose } from "./frame.ts";
import { Histograms } from "./histograms.ts";
import { HoeffdingTree, LEAF, LEAF_MEMORY, type TreeShape } from "./hoeffding-tree.ts";

/** Examples are weighed at most so often, whatever the mean: what a leaf's weight may exceed its memory by. */
const SLACK = 128;

const wideFeatures = ({ features }: TreeShape): boolean => features >= 0xffff;
const wideClasses = ({ classes }: TreeShape): boolean => classes > 0xff;

export function writeTree(writer: PortionWriter, tree: HoeffdingTree, purpose: Purpose): void {
  const { shape, histograms } = tree;
  const [wide, wideClass] = [wideFeatures(shape), wideClasses(shape)];
  const slots: number[] = [];
  writer.u16(tree.nodes);
  const stack = [0];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const feature = tree.feature[node] as number;
    const next = tree.next[node] as number;
    const mark = feature === LEAF ? (wide ? 0xffff_ffff : 0xffff) : feature;
    if (wide) writer.u32(mark);
    else writer.u16(mark);
    if (feature !== LEAF) {
      writer.f32(tree.threshold[node] as number);
      stack.push(next + 1, next);
      continue;
    }
    slots.push(next);
    const at = next * shape.classes;
    const present = presentOf(tree, next);
    if (wideClass) writer.u16(present.length);
    else writer.u8(present.length);
    for (const c of present) {
      if (wideClass) writer.u16(c);
      else writer.u8(c);
      const weight = tree.weights[at + c] as number;
      if (purpose === "model") writer.f32(weight);
      else writer.u16(Math.ceil(weight));
    }
  }
  if (purpose === "portion") return;
  writer.f32s(slots.map((slot) => tree.tried[slot] as number));
  for (const slot of slots) writer.u16(tree.major[slot] as number);
  writer.u8(histograms ? 1 : 0);
  histograms?.write(writer, slots);
}

/** Bytes of what `writeTree` writes. */
export function treeBytes(tree: HoeffdingTree, purpose: Purpose): number {
  const { shape, leaves, nodes, histograms } = tree;
  let present = 0;
  const all = leaves * shape.classes;
  for (let at = 0; at < all; at++) if ((tree.weights[at] as number) > 0) present++;
  const classBytes = wideClasses(shape) ? 2 : 1;
  const skeleton =
    2 +
    nodes * (wideFeatures(shape) ? 4 : 2) +
    4 * (nodes - leaves) +
    classBytes * leaves +
    present * (classBytes + (purpose === "model" ? 4 : 2));
  return purpose === "portion"
    ? skeleton
    : skeleton + 6 * leaves + 1 + (histograms?.bytes(leaves) ?? 0);
}

function presentOf({ shape, weights }: HoeffdingTree, slot: number): readonly number[] {
  const present: number[] = [];
  for (let c = 0; c < shape.classes; c++)
    if ((weights[slot * shape.classes + c] as number) > 0) present.push(c);
  return present;
}

/** A tree of this shape without its histograms, or all of it. */
export function readTree(reader: PortionReader, shape: TreeShape, purpose: Purpose): HoeffdingTree {
  const tree = new HoeffdingTree(shape);
  const count = reader.within(reader.u16(), 1, shape.maxNodes, "number of nodes");
  if (count % 2 === 0) throw portionInvalid(`a tree has ${count} nodes, an even number`);
  tree.reserve(count, (count + 1) / 2);
  tree.nodes = count;
  tree.leaves = (count + 1) / 2;
  const stack = [0];
  let [seen, slots] = [1, 0];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const feature = wideFeatures(shape) ? reader.u32() : reader.u16();
    if (feature === (wideFeatures(shape) ? 0xffff_ffff : 0xffff)) {
      if (slots === tree.leaves) throw portionInvalid("a tree has more leaves than branches allow");
      tree.next[node] = slots;
      readLeaf(reader, tree, slots++, purpose);
      continue;
    }
    tree.feature[node] = reader.within(feature, 0, shape.features - 1, "a feature of a branch");
    tree.threshold[node] = reader.f32("a threshold");
    if (seen + 2 > count) throw portionInvalid(`a tree has more than its ${count} nodes`);
    tree.next[node] = seen;
    stack.push(seen + 1, seen);
    seen += 2;
  }
  if (seen !== count) throw portionInvalid(`a tree has ${seen} nodes and says ${count}`);
  if (purpose === "model") readRest(reader, tree);
  return tree;
}

function readLeaf(
  reader: PortionReader,
  tree: HoeffdingTree,
  slot: number,
  purpose: Purpose,
): void {
  const { classes } = tree.shape;
  const wide = wideClasses(tree.shape);
  const present = reader.within(wide ? reader.u16() : reader.u8(), 0, classes, "classes of a leaf");
  let last = -1;
  for (let i = 0; i < present; i++) {
    const c = reader.within(wide ? reader.u16() : reader.u8(), last + 1, classes - 1, "a class");
    const weight = purpose === "model" ? reader.weight("weight of a leaf") : reader.u16();
    if (weight === 0) throw portionInvalid("a leaf's class weighs nothing");
    tree.weights[slot * classes + c] = weight;
    last = c;
  }
  tree.recount(slot);
  if ((tree.total[slot] as number) > LEAF_MEMORY + SLACK + classes)
    throw portionInvalid(`a leaf weighs more than ${LEAF_MEMORY}`);
}

function readRest(reader: PortionReader, tree: HoeffdingTree): void {
  for (let slot = 0; slot < tree.leaves; slot++)
    tree.tried[slot] = reader.weight("a leaf's last attempt");
  for (let slot = 0; slot < tree.leaves; slot++)
    tree.major[slot] = reader.within(reader.u16(), 0, tree.shape.classes - 1, "a class");
  if (reader.within(reader.u8(), 0, 1, "presence of histograms") === 1)
    tree.histograms = Histograms.read(reader, tree.shape, tree.leaves);
}
