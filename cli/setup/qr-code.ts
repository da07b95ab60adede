import { encode } from "uqr";

const cells = { "00": " ", "01": "▄", "10": "▀", "11": "█" } as const;

/** Black on white, by numbers that themes leave alone: it can be read on dark and on light terminals. */
const colours = "\x1b[38;5;16m\x1b[48;5;231m";
const reset = "\x1b[0m";

/** A QR code for a terminal, two rows of dots a line. Nothing of it changes with the terminal's colours. */
export function renderQrCode(text: string): string[] {
  const { data, size } = encode(text, { ecc: "L", border: 2 });
  const bit = (row: number, column: number) => (data[row]?.[column] ? "1" : "0");
  const lines = Array.from({ length: Math.ceil(size / 2) }, (_, line) =>
    Array.from(
      { length: size },
      (_, column) => cells[`${bit(2 * line, column)}${bit(2 * line + 1, column)}`],
    ).join(""),
  );
  return lines.map((line) => `${colours}${line}${reset}`);
}
