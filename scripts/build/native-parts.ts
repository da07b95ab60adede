/** A part of the executable that no package of JavaScript describes: Postgres, and what is linked to it. */
export interface NativePart {
  readonly name: string;
  /** Undefined where the file does not tell. */
  readonly version?: string;
  readonly title: string;
  /** An SPDX expression. */
  readonly license: string;
  /** A file in `notices`. */
  readonly notice: string;
}

/** The libraries beside Postgres in its package; versions as the files themselves tell (`strings`). */
export const nativeParts: readonly NativePart[] = [
  { name: "postgresql", title: "PostgreSQL", license: "PostgreSQL", notice: "postgresql.txt" },
  { name: "openssl", version: "1.1.1", title: "OpenSSL 1.1.1", license: "OpenSSL", notice: "openssl.txt" },
  { name: "icu", version: "60.2", title: "ICU 60.2", license: "ICU", notice: "icu.txt" },
  { name: "zlib", version: "1.2.11", title: "zlib 1.2.11", license: "Zlib", notice: "zlib.txt" },
  { name: "libxml2", version: "2.9.4", title: "libxml2 2.9.4", license: "MIT", notice: "libxml2.txt" },
  { name: "libxslt", title: "libxslt", license: "MIT", notice: "libxslt.txt" },
  {
    name: "xz",
    version: "5.2.2",
    title: "liblzma 5.2.2",
    license: "LicenseRef-public-domain",
    notice: "xz.txt",
  },
  {
    name: "ossp-uuid",
    version: "1.6.2",
    title: "OSSP uuid 1.6.2",
    license: "LicenseRef-ossp-uuid",
    notice: "ossp-uuid.txt",
  },
];
