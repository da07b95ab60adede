/** A WebAssembly module imported `with { type: "file" }`: its path, also within an executable. */
declare module "*.wasm" {
  const path: string;
  export default path;
}
