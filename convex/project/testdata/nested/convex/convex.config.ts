import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
import outer from "./components/outer/convex.config";

const app = defineApp();
app.use(outer, { name: "first" });
app.use(outer, { name: "second" });
app.use(migrations, { name: "movers" });
export default app;
