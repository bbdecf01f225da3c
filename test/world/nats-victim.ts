/** A process of tests that is killed while its server runs. */
import { startNats } from "./nats-server.ts";

const { url, folder } = await startNats();
console.log(JSON.stringify({ url, folder }));
setInterval(() => {}, 1e6);
