/**
 * Three steps of plain descent with the package itself; runs in Node and, served as it is, in a browser.
 * Answers the losses, the parameters, and which runtime did the work.
 */
export async function train({ createLearner, createRandom, runtime }, { model, data }) {
  const random = createRandom(11);
  const rows = 24;
  const length = data.shape.reduce((product, size) => product * size, 1);
  const dataset = {
    kind: "dense",
    rows,
    ...data,
    features: Float32Array.from({ length: rows * length }, () => random.next()),
    scale: 2,
    offset: -1,
    labels: Int32Array.from({ length: rows }, () => random.integer(data.classes)),
  };
  const learner = createLearner({ model, data: { kind: "dense", ...data }, seed: 5 }, runtime);
  const parameters = learner.initialise(createRandom(3));
  const update = new Float32Array(learner.layout.length);
  const losses = [];
  for (let clock = 0; clock < 3; clock++) {
    const batch = {
      dataset,
      rows: Uint32Array.from({ length: 8 }, (_, i) => clock * 8 + i),
      draw: { worker: 1, clock },
    };
    losses.push((await learner.step(parameters, batch, update)).loss);
    const { trained } = learner.layout;
    for (let i = 0; i < update.length; i++) parameters[i] += (i < trained ? -0.1 : 1) * update[i];
  }
  const judged = await learner.judge(parameters, {
    dataset,
    rows: Uint32Array.from({ length: rows }, (_, i) => i),
  });
  const { name } = await runtime.engine();
  await learner.close();
  return { runtime: name, losses, judged, parameters: [...parameters] };
}
