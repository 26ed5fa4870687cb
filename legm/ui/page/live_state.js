// What the live page knows from the server, beside the experiment that it shows.

export const liveState = {
  title: "",
  backend: "",
  legm: "",
  readOnly: false,
  instance: null, // of the server; another one has begun anew
  versions: {}, // by name, the newest version of an experiment that the server has reported
  cards: [],
  runs: new Map(), // by id, the state of each run that the server follows
  run: null, // what the run's view shows, while it is open
};
