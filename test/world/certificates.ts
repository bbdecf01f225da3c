/**
 * Certificates for tests of TLS, made anew in each run, so that no key lies in the repository: the least of X.509
 * (RFC 5280) that TLS asks for, with keys on the curve P-256.
 */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import type { Credentials } from "../../src/world/wire/options.ts";

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const long =
    body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...(body.length < 128 ? [body.length] : long)]), body]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const id = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
const time = (text: string): Buffer => der(0x18, Buffer.from(text));
const TRUE = Buffer.from([0x01, 0x01, 0xff]);

const ECDSA_SHA256 = sequence(id("2a8648ce3d040302"));
const commonName = (name: string): Buffer =>
  sequence(der(0x31, sequence(id("550403"), der(0x0c, Buffer.from(name)))));
/** Only an authority may sign others. */
const constraints = (authority: boolean): Buffer =>
  sequence(id("551d13"), TRUE, der(0x04, sequence(...(authority ? [TRUE] : []))));
const generalName = (name: string): Buffer =>
  isIPv4(name) ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name));
const alternativeNames = (names: readonly string[]): Buffer =>
  sequence(id("551d11"), der(0x04, sequence(...names.map(generalName))));

const pem = (label: string, bytes: Buffer): string => {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
};

function certificate(
  issuer: { readonly name: string; readonly key: KeyObject },
  subject: { readonly name: string; readonly also?: readonly string[]; readonly key: KeyObject },
  authority: boolean,
  years: readonly [from: number, to: number],
): string {
  const serial = randomBytes(8);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const body = sequence(
    der(0xa0, Buffer.from([0x02, 0x01, 0x02])),
    der(0x02, serial),
    ECDSA_SHA256,
    commonName(issuer.name),
    sequence(...years.map((year) => time(`${year}0101000000Z`))),
    commonName(subject.name),
    subject.key.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(constraints(authority), alternativeNames([subject.name, ...(subject.also ?? [])])),
    ),
  );
  const signature = sign("sha256", body, issuer.key);
  return pem("CERTIFICATE", sequence(body, ECDSA_SHA256, der(0x03, Buffer.from([0]), signature)));
}

const newKeys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

/** An authority, and what it answers: credentials of hosts that it has signed. */
export function createAuthority(): {
  /** @param also further names or addresses of the host. */
  issue(
    name: string,
    years?: readonly [from: number, to: number],
    also?: readonly string[],
  ): Credentials;
} {
  const own = newKeys();
  const name = "test authority";
  const issuer = { name, key: own.privateKey };
  const ca = certificate(issuer, { name, key: own.publicKey }, true, [2000, 2999]);
  return {
    issue: (host, years = [2000, 2999], also = []) => {
      const keys = newKeys();
      return {
        key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        cert: certificate(issuer, { name: host, also, key: keys.publicKey }, false, years),
        ca,
      };
    },
  };
}
