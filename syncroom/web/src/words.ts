/** A server's reason, which is a fragment for logs as much as for people, as a sentence. */
export function sentence(reason: string): string {
  const [first = "", ...rest] = Array.from(reason.trim());
  const whole = first.toUpperCase() + rest.join("");
  return whole === "" || /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
