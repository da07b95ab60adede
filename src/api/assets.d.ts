/** Files imported `with { type: "file" }`: their paths, also within an executable. */
declare module "swagger-ui-dist/*" {
  const path: string;
  export default path;
}
