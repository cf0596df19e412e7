import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();

crons.hourly("remove expired sessions", { minuteUTC: 12 }, internal.sessions.removeExpired);

export default crons;
