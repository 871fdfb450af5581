/** The version of the package, for files that are written. A test holds it against package.json. */
export const VERSION = '0.1.0';
