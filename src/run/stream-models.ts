/** The sites' models of a run on streams: kept while it goes on, saved when it has ended. */
import type { SiteId } from "../core/ids.ts";
import type { TailoredModel } from "../model/tailored.ts";
import type { StreamObserver } from "../sync/streams.ts";

/** A site's model as it was at the end. */
export interface SavedModel {
  readonly site: SiteId;
  readonly kind: string;
  readonly classes: number;
  readonly version: number;
  /** What `TailoredModel.save` wrote. */
  readonly saved: Uint8Array;
}

export interface ModelKeeper extends StreamObserver {
  /** In the order in which the sites began. */
  saved(): readonly SavedModel[];
}

export function keptModels(): ModelKeeper {
  const models = new Map<SiteId, () => TailoredModel>();
  return {
    attach: (site, model) => {
      models.set(site, model);
    },
    saved: () =>
      [...models].map(([site, model]) => {
        const { kind, classes, version } = model();
        return { site, kind, classes, version, saved: model().save() };
      }),
  };
}
