// What the lines of a patch are.

/**
 * What a line of a patch is: the name of a file, where a change is, or what was added or removed.
 * @param {string} line
 */
export function kindOfLine(line) {
  if (/^(diff |index |--- |\+\+\+ |new file|deleted file|rename |similarity )/.test(line)) return "file";
  if (line.startsWith("@@")) return "hunk";
  if (line.startsWith("+")) return "added";
  return line.startsWith("-") ? "removed" : null;
}
