/** NATS by hand, for what no client sends: an answer to another connection's challenge, or one that was changed. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { nkeys } from "@nats-io/nats-core";
import { PangaeaError } from "../../src/core/errors.ts";
import type { RoleKey } from "../../src/world/bus/accounts.ts";
import { bytes } from "./bus-contract.ts";

/** @returns the socket and the challenge that the server began with. */
async function open(port: number): Promise<{ readonly socket: Socket; readonly nonce: string }> {
  const socket = connect(port, "127.0.0.1");
  const [greeting] = (await once(socket, "data")) as [Buffer];
  const { nonce } = JSON.parse(
    greeting
      .toString()
      .replace(/^INFO /, "")
      .split("\r\n")[0]!,
  );
  return { socket, nonce };
}

/** What the server says to a CONNECT line: PONG, or why not. */
async function say(socket: Socket, line: string): Promise<void> {
  socket.write(line);
  let answer = "";
  while (!/PONG|-ERR/.test(answer)) answer += String((await once(socket, "data"))[0]);
  socket.destroy();
  if (/-ERR 'Authorization Violation'/.test(answer))
    throw new PangaeaError("AUTHORIZATION_VIOLATION", "the server refused the answer");
}

const line = (
  { publicKey, seed }: RoleKey,
  nonce: string,
  change: (s: Uint8Array) => void,
): string => {
  const signature = nkeys.fromSeed(bytes(seed)).sign(bytes(nonce));
  change(signature);
  const sig = Buffer.from(signature).toString("base64url");
  const said = {
    nkey: publicKey,
    sig,
    verbose: false,
    pedantic: false,
    lang: "test",
    version: "0",
  };
  return `CONNECT ${JSON.stringify(said)}\r\nPING\r\n`;
};

/** Resolves where the server takes it; rejects with AUTHORIZATION_VIOLATION. */
export async function replayedNonce(
  port: number,
  key: RoleKey,
  how: "again" | "flipped",
): Promise<void> {
  const one = await open(port);
  if (how === "flipped") {
    await say(
      one.socket,
      line(key, one.nonce, (signature) => {
        signature[5]! ^= 1;
      }),
    );
    return;
  }
  const right = line(key, one.nonce, () => {});
  await say(one.socket, right);
  const two = await open(port);
  await say(two.socket, right);
}
