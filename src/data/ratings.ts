/** Ratings of items by users from a CSV file with a header (MovieLens: userId,movieId,rating,timestamp). */
import type { RatingsDataset } from "../core/dataset.ts";
import type { Random } from "../core/random.ts";
import { type ByteSource, badData } from "./bytes.ts";
import { GrowingFloats, GrowingInts, Names } from "./growing.ts";
import { type CsvRecord, csvRecords, parseNumber } from "./text.ts";

export interface RatingsColumns {
  readonly user: string;
  readonly item: string;
  readonly rating: string;
}

/** Reads ratings as they stream by. Users and items are numbered in order of first appearance. */
export async function readRatings(
  source: ByteSource,
  file: string,
  columns: RatingsColumns,
  delimiter = ",",
): Promise<RatingsDataset> {
  const [users, items, ratings] = [new GrowingInts(), new GrowingInts(), new GrowingFloats()];
  const [userNames, itemNames] = [new Names(), new Names()];
  let at: { user: number; item: number; rating: number } | undefined;
  for await (const { fields, place } of csvRecords(source, file, delimiter)) {
    if (at === undefined) {
      at = {
        user: column(fields, columns.user, place),
        item: column(fields, columns.item, place),
        rating: column(fields, columns.rating, place),
      };
      continue;
    }
    const rating = parseNumber(fields[at.rating]!);
    if (rating === undefined)
      throw badData({ ...place, message: `rating "${fields[at.rating]}" is no number` });
    if (fields[at.user] === "" || fields[at.item] === "")
      throw badData({ ...place, message: "names no user or no item" });
    users.push(userNames.numberOf(fields[at.user]!));
    items.push(itemNames.numberOf(fields[at.item]!));
    ratings.push(rating);
  }
  if (ratings.length === 0) throw badData({ file, offset: 0, message: "holds no ratings" });
  return {
    kind: "ratings",
    rows: ratings.length,
    users: users.shared(),
    items: items.shared(),
    ratings: ratings.shared(),
    userCount: userNames.size,
    itemCount: itemNames.size,
  };
}

function column(header: readonly string[], name: string, place: CsvRecord["place"]): number {
  const index = header.indexOf(name);
  if (index < 0)
    throw badData({
      ...place,
      message: `there is no column ${name}`,
      fix: `there are ${header.join(", ")}`,
    });
  return index;
}

/** Holds out floor(share * ratings) of each user's ratings, drawn at random: [train rows, test rows]. */
export function holdOutPerUser(
  { rows, users, userCount }: RatingsDataset,
  share: number,
  random: Random,
): readonly [Uint32Array, Uint32Array] {
  const order = random.shuffle(Uint32Array.from({ length: rows }, (_, row) => row));
  const left = new Int32Array(userCount);
  for (const user of users) left[user] = left[user]! + 1;
  for (let user = 0; user < userCount; user++) left[user] = Math.floor(share * left[user]!);
  const held = new Uint8Array(rows);
  for (const row of order) {
    const user = users[row]!;
    if (left[user]! > 0) {
      left[user] = left[user]! - 1;
      held[row] = 1;
    }
  }
  const ascending = order.sort();
  return [ascending.filter((row) => !held[row]), ascending.filter((row) => held[row])];
}
