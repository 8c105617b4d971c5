// One question, from its first try to its result. Knows the API; what is shown of it is for the listener.

import { Refused, json, patiently, pause, request } from "./api.js";
import { eventsOf } from "./events.js";

const LOOKS_EVERY_MS = 1000;

/** The question was stopped by its asker. */
export class Stopped extends Error {}

/** A question under way; `stop()` ends it wherever it is. */
export class Asked {
  constructor(question, listener) {
    this.question = question;
    this.listener = listener;
    this.jobId = null;
    this.aborter = new AbortController();
    this.isStopped = false;
  }

  /** The answer; raises Refused with a sentence, or Stopped. */
  async answer() {
    try {
      return await this.#answer();
    } catch (error) {
      if (this.isStopped || error.name === "AbortError" || error.kind === "cancelled") throw new Stopped();
      throw error;
    }
  }

  async stop() {
    this.isStopped = true;
    if (this.jobId) await request(`api/jobs/${this.jobId}`, { method: "DELETE" }).catch(() => {});
    this.aborter.abort();
  }

  async #answer() {
    for (;;) {
      try {
        const response = await this.#accepted();
        this.jobId = jobOf(response.headers.get("Location"));
        return await this.#followed(response);
      } catch (refused) {
        // The bus did not say whether it has the job: look, and ask again where it has not.
        if (!refused.location) throw refused;
        const found = await this.#settled(jobOf(refused.location));
        if (found) return found;
      }
    }
  }

  #accepted() {
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
    const sent = { method: "POST", headers, body: JSON.stringify(this.question), signal: this.aborter.signal };
    return patiently(() => request("api/query", sent), {
      signal: this.aborter.signal,
      onWait: (seconds, refused) => this.listener.onRefused(seconds, refused),
    });
  }

  async #followed(response) {
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response.json();
    this.listener.onAccepted();
    try {
      for await (const { name, data } of eventsOf(response)) {
        const told = JSON.parse(data);
        if (name === "result") return told;
        if (name === "error") throw new Refused(told.status, told, 0, null);
        this.#tell(name, told);
      }
    } catch (error) {
      if (error instanceof Refused || this.isStopped) throw error;
    }
    // The connection broke, or the ingress stops: the job's result can be asked for.
    const found = await this.#settled(this.jobId);
    if (!found) throw new Refused(0, { detail: "The connection broke, and the question with it: ask again." }, 0, null);
    return found;
  }

  #tell(name, told) {
    if (name === "evidence") this.listener.onEvidence(told.evidence);
    else if (name === "token") this.listener.onPiece(told.text);
    else if (name === "restart") this.listener.onRestart();
    if (told.position !== undefined) this.listener.onPlace(told.position, told.expected_s);
  }

  /** The job's result once there is one; null where no such job is known. */
  async #settled(jobId) {
    for (;;) {
      try {
        const job = await json(`api/jobs/${jobId}`, { signal: this.aborter.signal });
        if (job.status === "done") return job;
        if (job.status === "failed") throw new Refused(0, { type: job.code, detail: job.detail }, 0, null);
        if (job.position !== undefined) this.listener.onPlace(job.position, job.expected_s);
      } catch (refused) {
        if (refused.status === 404) return null;
        // Unreachable, or the bus is: both pass.
        if (refused.kind !== "unreachable" && refused.status !== 503) throw refused;
      }
      await pause(LOOKS_EVERY_MS, this.aborter.signal);
    }
  }
}

const jobOf = (location) => location?.split("/").pop() ?? null;
