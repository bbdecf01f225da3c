/** The version of this package, which a page cannot read from package.json; a test holds the two together. */
export const VERSION = "0.1.0";
