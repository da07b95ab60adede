import { z } from "zod";
import { ids, noon, stamp } from "../api/story.ts";
import { id, instant, named, stamped } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { photoAttachment } from "./photo-attachment.ts";

const linked = { id, photoId: id, placeVisitId: id, attachedAt: instant, caption: z.string().nullable() };

export const attachmentAnswer = named(
  "PhotoAttachment",
  z.strictObject({ ...linked, ...stamped }),
  "A photo shown at a visit.",
);
export const attachmentsAnswer = named(
  "PhotoAttachments",
  z.strictObject({ attachments: z.array(attachmentAnswer) }),
);

/** An attachment as a phone sends it. */
export const attachmentChange = named(
  "PhotoAttachmentChange",
  z.object({ ...common.shape, ...photoAttachment.schema.shape }),
);

export const exampleLink = {
  id: ids.attachment,
  photoId: ids.photo,
  placeVisitId: ids.placeVisit,
  attachedAt: noon,
  caption: null,
};
export const exampleAttachment = { ...exampleLink, ...stamp(7) };
