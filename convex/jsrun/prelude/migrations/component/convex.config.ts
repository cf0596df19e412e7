export { default } from "../convex.config";
