// @ts-check
// The words of the wire. `protocol.py` holds the same; a test compares both.

export const VERSION = 1;
export const SUBPROTOCOL = "livejobs.v1";
export const LIST_DEFAULT = 50;
export const LIST_MAX = 200;
export const LIST_LIVE_MAX = 1000;
export const TRUNCATE_OVER = 1024;
export const KEY_MAX = 100;

export const COMMANDS = Object.freeze(["cancel", "ping", "retry", "start", "unwatch", "watch"]);
export const FINISHED = Object.freeze(["cancelled", "failed", "succeeded"]);

export const ErrorCode = Object.freeze({
  BAD_FRAME: "bad_frame",
  UNKNOWN_ACTION: "unknown_action",
  INVALID: "invalid",
  TOO_LARGE: "too_large",
  NOT_FOUND: "not_found",
  NOT_ALLOWED: "not_allowed",
  CONFLICT: "conflict",
  FINISHED: "finished",
  UNSUPPORTED: "unsupported",
  UNAVAILABLE: "unavailable",
});

export const CloseCode = Object.freeze({
  TOO_LARGE: 1009,
  RESTART: 1012,
  SESSION_CHANGED: 4401,
  TOO_SLOW: 4408,
});
