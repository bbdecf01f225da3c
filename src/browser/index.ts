/** What `pangaea/browser` offers to pages: the part of the package that knows what a browser has. */
export { type FileSource, filesBelow, filesPicked, type PickedFile } from "./files.ts";
export { type JoinOptions, joinCluster } from "./join.ts";
export { browserRuntime } from "./runtime.ts";
