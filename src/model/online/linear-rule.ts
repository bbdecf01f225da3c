/**
 * Losses of one class against the rest, as the linear learners see them. Each class has a row of weights w and a constant
 * b of its own; its target is y = 1 for its examples and -1 for the others, its score s = w.x + b.
 *
 * One row for each class, and no softmax over them: a softmax's rows mean something together only (adding one vector to
 * all of them changes nothing), so that a row from another site's model could be off by any vector.
 *
 * The rate of step t on an example x is 1 / (1/rate(t) + c|x|^2), with c the loss's `curvature`: the step of implicit
 * updates (Kulis and Bartlett, "Implicit online learning", ICML 2010) to first order. It is rate(t) where that is small,
 * and never so large that an example moves its own score far past its target, whatever the scale of the features.
 */
export interface LinearRule {
  readonly kind: "svm" | "logistic";
  /** Factor of |w|^2 / 2 in the objective. */
  readonly l2: number;
  readonly curvature: number;
  /** Inverse of the rate of a row's step t = 1, 2, … */
  inverseRate(step: number): number;
  /** Of one example with the margin m = y s. */
  loss(margin: number): number;
  /** dLoss/dm, at most 0. */
  slope(margin: number): number;
}
