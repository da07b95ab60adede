import { invalid } from "../errors.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const printable = /^[\x20-\x7e]{1,64}$/;

function wrongHeader(header: string, problem: string) {
  return invalid({ header, problem });
}

/**
 * Reads the two headers that every API request carries.
 * @returns the device id in lower case, as it is kept everywhere
 * @throws 400; `details.header` names the header that is missing or wrong.
 */
export function readDeviceHeaders(headers: Headers): { deviceId: string; appVersion: string } {
  const deviceId = headers.get("x-device-id");
  const appVersion = headers.get("x-app-version");
  if (!deviceId) throw wrongHeader("X-Device-ID", "is missing");
  if (!uuid.test(deviceId)) throw wrongHeader("X-Device-ID", "must be a UUID");
  if (!appVersion) throw wrongHeader("X-App-Version", "is missing");
  if (!printable.test(appVersion)) throw wrongHeader("X-App-Version", "must be 1 to 64 printable characters");
  return { deviceId: deviceId.toLowerCase(), appVersion };
}
