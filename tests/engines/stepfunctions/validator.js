// Reads state machines, one JSON text a line, each a JSON string; answers each with a line: a list of complaints.
"use strict";
const validator = require(process.argv[2]);

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    let complaints;
    try {
      const found = validator(JSON.parse(JSON.parse(line)), { checkPaths: true, checkArn: true });
      complaints = found.isValid ? [] : found.errors.map((error) => `${error["Error code"]}: ${error.Message}`);
    } catch (error) {
      complaints = [String(error)];
    }
    process.stdout.write(JSON.stringify(complaints) + "\n");
  });
