import { defineApp } from "convex/server";
import billing from "./billing/convex.config";

const app = defineApp();
app.use(billing);

export default app;
