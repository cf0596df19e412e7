import { defineSchema } from "convex/server";
import { logs } from "./tables/logs";
import { people } from "./tables/people";

export default defineSchema({ ...people, ...logs });
