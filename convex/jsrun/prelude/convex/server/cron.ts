// cronJobs(): collects the jobs of convex/crons.ts and exports them.
import { convexToJson } from "../values/codec";
import { callArgs } from "./context";
import { getFunctionAddress, getFunctionName } from "./references";

const days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

function whole(what: string, n: any, from: number, to: number): number {
  if (Number.isInteger(n) && n >= from && n <= to) return n;
  throw new Error(`${what} must be an integer from ${from} to ${to}`);
}

const minute = (n: any) => (n === undefined ? {} : { minuteUTC: whole("Minute of hour", n, 0, 59) });
const hour = (n: any) => whole("Hour of day", n, 0, 23);

function weekday(day: any): string {
  if (days.includes(day)) return day;
  throw new Error('Day of week must be a string like "monday".');
}

function isReference(x: any): boolean {
  try {
    getFunctionAddress(x);
    return true;
  } catch {
    return false;
  }
}

class Crons {
  readonly isCrons = true;
  readonly crons: Record<string, any> = {};

  private _add(id: string, schedule: any, ref: any, args: any) {
    const json = [convexToJson(callArgs(args))];
    if (!/^[ -~]*$/.test(id)) {
      throw new Error(`Invalid cron identifier ${id}: use ASCII letters that are not control characters`);
    }
    if (id in this.crons) throw new Error(`Cron identifier registered twice: ${id}`);
    this.crons[id] = { name: getFunctionName(ref), args: json, schedule };
  }

  interval(id: string, schedule: any, ref: any, args?: any) {
    const given = ["seconds", "minutes", "hours"].filter((unit) => schedule[unit] !== undefined);
    if (given.length !== 1) throw new Error("Must specify one of seconds, minutes, or hours");
    const n = schedule[given[0]!];
    if (!Number.isInteger(n) || n <= 0) throw new Error("Interval must be an integer greater than 0");
    this._add(id, { ...schedule, type: "interval" }, ref, args);
  }
  hourly(id: string, schedule: any, ref?: any, args?: any) {
    if (isReference(schedule)) return this._add(id, { type: "hourly" }, schedule, ref);
    this._add(id, { ...minute(schedule.minuteUTC), type: "hourly" }, ref, args);
  }
  daily(id: string, schedule: any, ref: any, args?: any) {
    const hourUTC = hour(schedule.hourUTC);
    this._add(id, { hourUTC, ...minute(schedule.minuteUTC), type: "daily" }, ref, args);
  }
  weekly(id: string, schedule: any, ref: any, args?: any) {
    const dayOfWeek = weekday(schedule.dayOfWeek);
    const hourUTC = hour(schedule.hourUTC);
    this._add(id, { dayOfWeek, hourUTC, ...minute(schedule.minuteUTC), type: "weekly" }, ref, args);
  }
  monthly(id: string, schedule: any, ref: any, args?: any) {
    const day = whole("Day of month", schedule.day, 1, 31);
    const hourUTC = hour(schedule.hourUTC);
    this._add(id, { day, hourUTC, ...minute(schedule.minuteUTC), type: "monthly" }, ref, args);
  }
  cron(id: string, cron: string, ref: any, args?: any) {
    this._add(id, { cron, type: "cron" }, ref, args);
  }

  export(): string {
    return JSON.stringify(this.crons);
  }
}

export const cronJobs = () => new Crons();
