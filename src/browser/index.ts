/** What `pangaea/browser` offers to pages: the part of the package that knows what a browser has. */
export { browserRuntime } from "./runtime.ts";
