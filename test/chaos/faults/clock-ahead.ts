/** Given to a server by `--import`: its clock is an hour ahead of the others'. Timers run as ever. */
const now = Date.now;
Date.now = () => now() + 3_600_000;
