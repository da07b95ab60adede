import { AppError } from "../errors.ts";
import type { ObjectStorage } from "./storage.ts";

/** Only what the storage is to blame for: away, slow or full. A phone that hangs up in the middle is no error of it. */
const isFault = (error: unknown) => error instanceof AppError && error.code === "SERVICE_UNAVAILABLE";

/**
 * A storage that says when it fails.
 * @param failed told the name of the call
 */
export function observeStorage(storage: ObjectStorage, failed: (operation: string) => void): ObjectStorage {
  const watched = (operation: string, result: unknown) => {
    if (result instanceof Promise)
      result.catch((error) => {
        if (isFault(error)) failed(operation);
      });
    return result;
  };
  return new Proxy(storage, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => watched(String(name), value.apply(target, parameters));
    },
  });
}
