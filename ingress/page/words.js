// Numbers as a reader wants them.

const WHOLE = new Intl.NumberFormat("en");

/** 5000 as "5,000". */
export const count = (number) => WHOLE.format(number);

/** "1 document", "5,000 documents". */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Bytes as "312 KB" or "1.4 MB". */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "KB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** Seconds as "0.4 s", "12 s" or "3 min". */
export function duration(seconds) {
  if (seconds < 0.1) return "less than 0.1 s";
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}
