/** Sets of [from, to) ranges of Yjs clocks, kept for each client id. */

interface Span {
  readonly from: number;
  readonly to: number;
}

export class Spans {
  readonly #byClient = new Map<number, readonly Span[]>();

  get isEmpty(): boolean {
    return this.#byClient.size === 0;
  }

  add(client: number, from: number, to: number): void {
    if (from >= to) return;
    const spans = this.#byClient.get(client) ?? [];
    const apart = spans.filter((span) => span.to < from || span.from > to);
    const touching = spans.filter((span) => span.to >= from && span.from <= to);
    const joined = {
      from: Math.min(from, ...touching.map((span) => span.from)),
      to: Math.max(to, ...touching.map((span) => span.to)),
    };
    this.#byClient.set(client, [...apart, joined]);
  }

  remove(client: number, from: number, to: number): void {
    const spans = this.#byClient.get(client);
    if (spans === undefined || from >= to) return;
    const left = spans
      .flatMap((span) => [
        { from: span.from, to: Math.min(span.to, from) },
        { from: Math.max(span.from, to), to: span.to },
      ])
      .filter((span) => span.from < span.to);
    if (left.length > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }
}
