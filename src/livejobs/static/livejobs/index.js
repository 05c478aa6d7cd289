// @ts-check
// The only module with side effects.
import { LivejobsActions } from "./elements/livejobs-actions.js";
import { LivejobsAnnouncer } from "./elements/livejobs-announcer.js";
import { LivejobsBar } from "./elements/livejobs-bar.js";
import { LivejobsForm } from "./elements/livejobs-form.js";
import { LivejobsJob } from "./elements/livejobs-job.js";
import { LivejobsKeys } from "./elements/livejobs-keys.js";
import { LivejobsLog } from "./elements/livejobs-log.js";
import { LivejobsNotices } from "./elements/livejobs-notices.js";
import { LivejobsStatus } from "./elements/livejobs-status.js";
import { LivejobsTable } from "./elements/livejobs-table.js";
import { Page } from "./page.js";
import { followTab } from "./tab.js";

customElements.define("livejobs-announcer", LivejobsAnnouncer);
customElements.define("livejobs-status", LivejobsStatus);
customElements.define("livejobs-bar", LivejobsBar);
customElements.define("livejobs-actions", LivejobsActions);
customElements.define("livejobs-notices", LivejobsNotices);
customElements.define("livejobs-form", LivejobsForm);
customElements.define("livejobs-table", LivejobsTable);
customElements.define("livejobs-log", LivejobsLog);
customElements.define("livejobs-job", LivejobsJob);
customElements.define("livejobs-keys", LivejobsKeys);

const page = Page.shared();
followTab(page);
page.begin();
