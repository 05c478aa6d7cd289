// @ts-check
// The same as in `protocol.py` and `states.py`: a test compares them.

export const SUBPROTOCOL = "livejobs.v1";
export const LIST_DEFAULT = 50;
export const LIST_MAX = 200;
export const LIST_LIVE_MAX = 1000;
export const LOG_MAX = 10000;

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

export const EdgeName = Object.freeze({
  ACCEPT: "accept",
  DUE: "due",
  CLAIM: "claim",
  SUCCEED: "succeed",
  FAIL: "fail",
  BACK_OFF: "back_off",
  EXPIRE: "expire",
  STOPPING: "stopping",
  STOP: "stop",
  RELEASE: "release",
  RESCUE: "rescue",
  LOSE: "lose",
  CANCEL: "cancel",
  RETRY: "retry",
});

/** Their actor is a user, not a worker. @type {readonly string[]} */
export const BY_PEOPLE = Object.freeze([EdgeName.ACCEPT, EdgeName.CANCEL, EdgeName.RETRY]);
