/**
 * What piscina loads, which tries require() first: Node 20 ends the whole process when a thread is terminated while require() links an ES
 * module. Path: worker thread -> [piscina task] -> workers/entry.
 */
type Entry = typeof import('./entry.js', { with: { 'resolution-mode': 'import' }});

const entry: Promise<Entry> = import('./entry.js');
// Told by the task.
entry.catch(() => undefined);

async function runTask(task: Parameters<Entry['default']>[0]): Promise<void> {
  await (await entry).default(task);
}

module.exports = runTask;
