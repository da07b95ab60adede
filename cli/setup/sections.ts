import type { Section } from "./question.ts";
import { accountSection } from "./sections/account.ts";
import { backupsSection } from "./sections/backups.ts";
import { dataSection } from "./sections/data.ts";
import { databaseSection } from "./sections/database.ts";
import { mailSection } from "./sections/mail.ts";
import { photosSection } from "./sections/photos.ts";
import { reachSection } from "./sections/reach.ts";

/** Everything that is asked, in its order. */
export const sections: readonly Section[] = [
  dataSection,
  databaseSection,
  photosSection,
  reachSection,
  mailSection,
  backupsSection,
  accountSection,
];

export const questions = sections.flatMap((section) => section.questions);
