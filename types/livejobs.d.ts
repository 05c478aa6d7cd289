// The wire and the page's own shapes, as types only: `tsc` reads them, browsers never do.

interface Progress {
  tick: number;
  current: number | null;
  total: number | null;
  message: string;
  cpu_seconds?: number;
  memory_peak?: number;
  memory?: number;
}

interface Job {
  id: number;
  task: string;
  title: string;
  name: string;
  state: string;
  params: Record<string, unknown> | null;
  progress: Progress;
  result: unknown;
  error: { reason: string; type: string; message: string } | null;
  queue: string;
  attempt: number;
  failures: number;
  retries: number;
  losses: number;
  owner: string | null;
  created_at: string;
  run_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  cancel_requested_at: string | null;
  stopping_at: string | null;
  worker: string | null;
  log_seq: number;
  version: number;
  truncated?: boolean;
}

interface LogLine {
  seq: number;
  attempt: number;
  at: string;
  level: string;
  text: string;
}

interface OpenLine {
  attempt: number;
  tick: number;
  seq: number;
  text: string;
}

interface Property {
  type: string | string[];
  title: string;
  description?: string;
  format?: "textarea" | "date";
  enum?: (string | number | null)[];
  default?: string | number | boolean | null;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  multipleOf?: number;
  examples?: unknown[];
}

interface Task {
  name: string;
  title: string;
  doc: string;
  schema: { properties: Record<string, Property>; required?: string[] };
}

interface Hello {
  protocol: number;
  server: string;
  user: { id: number; name: string } | null;
  rights: string[];
  retry_after: number;
  retry_max?: number;
  tasks: Task[];
}

interface Status {
  queues: Record<string, { workers: number; broker: "up" | "down" }>;
  live: "up" | "delayed";
  notices: string[];
}

interface Step {
  version: number;
  edge: string;
  state: string;
  attempt: number;
  at: string;
  actor: string;
  run_at: string | null;
  error: { reason: string; type: string; message: string; traceback?: string } | null;
}

interface Snapshot extends Pick<Hello, "server" | "user" | "rights" | "tasks"> {
  now: number;
  words: Record<string, string>;
  limits: { params: number; name: number };
  urls: { job: string; login: string | null };
  jobs: Job[];
  more: boolean;
  running: number;
  timeline?: Step[];
  log?: LogLine[];
  traceback?: boolean;
}

interface StartWhat {
  task: string;
  name?: string;
  params?: Record<string, unknown>;
  key?: string;
}

interface WatchWhat {
  jobs?: { scope: "mine" | "all"; limit?: number; before?: number };
  job_id?: number;
  log_after?: () => number;
}

/** What a store knows of one job. The merges know nothing of each other: what comes early is kept. */
interface Entry {
  fields: Job | null;
  progress: Progress & { attempt: number };
  log: LogLine[];
  open: OpenLine | null;
  view: Job | null;
  epoch: number; // of the watch that was asked for last when it was told
}

/** What a store knows of one watch. Until it is answered it covers all that it may come to show. */
interface Watch {
  ref: unknown;
  job: number | undefined;
  from: number;
  before: number;
  answered: boolean;
  epoch: number;
}

/** One watch of a list: the ids from `from` (known once it is answered) to below `before`. */
interface Piece {
  id: string;
  before: number;
  from: number | undefined;
}

type Health = "connecting" | "reconnecting" | "catching_up" | "silent" | "delayed" | "live";

interface Pending {
  text: string;
  again: boolean;
  ms: number;
  resolve: (job: any) => void;
  reject: (error: Error) => void;
  timer: any;
}

interface SocketSeams {
  WebSocket?: typeof WebSocket;
  random?: () => number;
  now?: () => number;
}
