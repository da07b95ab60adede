import { examineBucket } from "../checks/bucket.ts";
import { movedAway } from "../checks/moved.ts";
import type { Answers, Question, Section } from "../question.ts";

interface S3Names {
  readonly endpoint: Question["name"];
  readonly region: Question["name"];
  readonly bucket: Question["name"];
  readonly accessKey: Question["name"];
  readonly secretKey: Question["name"];
}

/** The questions about a bucket: the one of pictures, or the one of backups. */
export function bucketQuestions(
  names: S3Names,
  { flag, setting, what }: { flag: string; setting: string; what: string },
  when: (answers: Answers) => boolean,
): Question[] {
  return [
    {
      name: names.endpoint,
      flag: `${flag}-endpoint <url>`,
      ask: "Address of the S3 server (empty: Amazon)",
      about: `S3 server of ${what}; Amazon's own when not given`,
      kind: "text",
      variable: `${setting}_ENDPOINT`,
      mayBeEmpty: true,
      when,
      fallback: () => "",
    },
    {
      name: names.region,
      flag: `${flag}-region <name>`,
      ask: "Region",
      about: `region of ${what}`,
      kind: "text",
      variable: `${setting}_REGION`,
      when,
      fallback: () => "us-east-1",
    },
    {
      name: names.bucket,
      flag: `${flag}-bucket <name>`,
      ask: "Bucket (made if it is not there)",
      about: `bucket of ${what}; made if it is not there`,
      kind: "text",
      variable: `${setting}_BUCKET`,
      when,
      fallback: () => (setting === "STORAGE" ? "trailglass" : "trailglass-backups"),
    },
    {
      name: names.accessKey,
      flag: `${flag}-access-key <key>`,
      ask: "Access key",
      about: `access key for ${what}`,
      kind: "text",
      variable: `${setting}_ACCESS_KEY`,
      when,
    },
    {
      name: names.secretKey,
      flag: `${flag}-secret-key-file <file>`,
      ask: "Secret key",
      about: `file with the secret key for ${what}`,
      kind: "secret",
      variable: `${setting}_SECRET_KEY`,
      when,
    },
  ];
}

const isS3 = ({ photos }: Answers) => photos === "s3";

/** Where pictures lie. */
export const photosSection: Section = {
  title: "Photos",
  questions: [
    {
      name: "photos",
      flag: "photos <where>",
      ask: "Where shall photos be kept?",
      about: "where photos are kept",
      kind: "choice",
      variable: "STORAGE_BACKEND",
      choices: [
        { value: "database", label: "In the database", hint: "one thing to back up" },
        { value: "directory", label: "In a folder beside it", hint: "for many gigabytes" },
        { value: "s3", label: "In S3 or MinIO" },
      ],
      impliedBy: { s3: ["storageEndpoint", "storageBucket", "storageAccessKey", "storageSecretKey"] },
      fallback: () => "database",
    },
    ...bucketQuestions(
      {
        endpoint: "storageEndpoint",
        region: "storageRegion",
        bucket: "storageBucket",
        accessKey: "storageAccessKey",
        secretKey: "storageSecretKey",
      },
      { flag: "storage", setting: "STORAGE", what: "photos" },
      isS3,
    ),
  ],
  async check(answers, machine, config) {
    const moved = movedAway("photos", answers.photos, machine);
    if (!isS3(answers)) return { problems: moved };
    const found = await examineBucket(config());
    return { ...found, problems: [...found.problems, ...moved] };
  },
};
