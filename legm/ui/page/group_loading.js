// Asks the server for the groups that the user has chosen.

import { liveState } from "./live_state.js";
import { openedExperiment } from "./loading.js";
import { showProblem } from "./problems.js";
import { changed } from "./redraw.js";
import { ask } from "./server.js";
import { experiment, state } from "./state.js";
import { messageOf } from "./values.js";

/** Have the groups by the chosen parameters on the page, where they are not yet. */
export async function loadGroups() {
  const chosen = experiment();
  if (!chosen?.isPartial) return;
  const { where } = openedExperiment();
  const key = JSON.stringify([chosen.name, where, chosen.content.version, state.groupBy]);
  if (liveState.groupsKey === key && (chosen.content.groups || !state.groupBy.length)) return;
  liveState.groupsKey = key;
  if (!state.groupBy.length) {
    if (chosen.content.groups) {
      chosen.replaceGroups(null);
      changed("grouped");
    }
    return;
  }
  try {
    const parameters = { name: chosen.name, where: where ? [where] : [], by: state.groupBy };
    const groups = await ask("api/groups", parameters);
    if (liveState.groupsKey !== key || experiment() !== chosen) return;
    chosen.replaceGroups(groups);
    changed("grouped");
  } catch (error) {
    showProblem(messageOf(error));
  }
}
