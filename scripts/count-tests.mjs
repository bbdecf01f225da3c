/**
 * One plain line from the JSON that vitest leaves: `N passed, N failed`. A file that failed outside its tests
 * counts as one failure, and so does a run that left no result. Exit code 1 where anything failed.
 *   node scripts/count-tests.mjs RESULTS.json
 */
import { readFileSync } from "node:fs";

/** @returns {{ passed: number, failed: number }} */
export function countTests(results) {
  const broken = results.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  const failed = results.numFailedTests + broken.length;
  const silent = failed === 0 && (!results.success || results.numPassedTests === 0);
  return { passed: results.numPassedTests, failed: silent ? 1 : failed };
}

function read(path) {
  try {
    return countTests(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    console.log("No test ran: a step before the tests failed.");
    return { passed: 0, failed: 1 };
  }
}

if (import.meta.filename === process.argv[1]) {
  const { passed, failed } = read(process.argv[2]);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
