import migrations from "@convex-dev/migrations/convex.config";
import { defineComponent } from "convex/server";

const component = defineComponent("billing");
component.use(migrations);

export default component;
