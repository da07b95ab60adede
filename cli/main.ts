#!/usr/bin/env bun

/** A process that decodes pictures is there in a tenth of the time when the rest of the program is not loaded. */
const run =
  process.argv[2] === "decode-pictures"
    ? (await import("./decode-pictures.ts")).decodePictures
    : (await import("./program.ts")).runProgram;

process.exit(await run());

export {};
