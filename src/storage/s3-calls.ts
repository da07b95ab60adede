import {
  type $Command,
  S3Client,
  type S3ClientConfig,
  type S3ClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from "@aws-sdk/client-s3";
import { Garbage } from "../garbage.ts";
import { Deadline } from "./deadline.ts";
import { toUnavailable } from "./s3-errors.ts";
import { S3Transport, type TransportOptions } from "./s3-transport.ts";

/** Where a bucket is and how to sign in. */
export interface S3Target {
  /** Such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The bucket's name in the path; else in the host name. */
  readonly pathStyle: boolean;
  /** The endpoint as phones reach it. */
  readonly publicEndpoint?: string | undefined;
}

type S3Command<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/** Calls of the SDK, each with a deadline. */
export class S3Calls {
  /** Told of the bytes that the calls move: the SDK and its transport copy them. */
  readonly garbage = new Garbage();
  readonly #client: S3Client;

  constructor(target: S3Target) {
    this.#client = createClient(target);
  }

  /**
   * Sends a command. Retries are part of the same time.
   * @param deadline paused in the end; for who goes on to read the body of the answer
   * @throws 503 when S3 is away or refuses
   */
  async send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: S3Command<Input, Output>,
    deadline = new Deadline(),
  ): Promise<Output> {
    const options: TransportOptions & { abortSignal: AbortSignal } = {
      deadline,
      abortSignal: deadline.signal,
    };
    try {
      return await deadline.race(this.#client.send(command, options));
    } catch (error) {
      throw toUnavailable(error);
    } finally {
      deadline.pause();
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

/**
 * All that the SDK would look up in the environment or in ~/.aws is said here: what another program on this machine
 * was set up with must not change where pictures go.
 */
function createClient({ endpoint, region, accessKey, secretKey, pathStyle }: S3Target): S3Client {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    forcePathStyle: pathStyle,
    requestHandler: new S3Transport() as unknown as NonNullable<S3ClientConfig["requestHandler"]>,
    // Not every server that speaks S3 knows the newer checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 3,
    retryMode: "standard",
    defaultsMode: "standard",
    expectContinueHeader: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    useAccelerateEndpoint: false,
    disableMultiregionAccessPoints: true,
    disableS3ExpressSessionAuth: true,
    authSchemePreference: ["aws.auth#sigv4"],
    sigv4aSigningRegionSet: [region],
    userAgentAppId: "trailglass",
  });
}
