/** What is looked at of an answer. */
export interface SeenAnswer {
  readonly method: string;
  /** Of the URL, without query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

/** An answer that the API's description does not know. The description is wrong, or the server is. */
export class UndocumentedAnswer extends Error {
  override name = "UndocumentedAnswer";
}

type Inspect = (answer: SeenAnswer) => Promise<void>;

/** Servers of tests, by what their addresses start with. A phone that plays elsewhere inspects nothing. */
const inspectors = new Map<string, Inspect>();

/** From now on, answers of this server are looked at. @returns ends that */
export function inspectAnswersOf(origin: string, inspect: Inspect): () => void {
  inspectors.set(origin, inspect);
  return () => void inspectors.delete(origin);
}

/** Looks at an answer, where its server is inspected. @throws what the inspection throws */
export async function inspectAnswer(request: Request, response: Response, text: string): Promise<void> {
  const { origin, pathname: path } = new URL(request.url);
  await inspectors.get(origin)?.({
    method: request.method,
    path,
    status: response.status,
    contentType: response.headers.get("content-type"),
    text,
  });
}
