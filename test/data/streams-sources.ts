/**
 * The real data sets of streams, as experiment files describe them under `data:`. `testShare: 0`: a stream is judged on
 * what arrives, before it learns from it, so no rows are held out.
 */
import { DataSpec } from "../../src/data/spec.ts";

const csv = (spec: object): DataSpec => DataSpec.parse({ kind: "csv", testShare: 0, ...spec });

export const elec2 = csv({
  path: "elec2/elec.csv",
  schema: { columns: { class: "label" }, others: "numeric" },
});
/** Prices and transfers of Victoria are constant until they are recorded, from row 17,424 on. */
export const ELEC2_CHANGES = [{ row: 17_424, what: "Victoria's market is recorded" }];

export const noaaWeather = csv({
  path: "noaa-weather/weather.csv",
  schema: { columns: { target: "label" }, others: "numeric" },
});

export const STATIONS = [
  "Aotizhongxin",
  "Changping",
  "Dingling",
  "Dongsi",
  "Guanyuan",
  "Gucheng",
  "Huairou",
  "Nongzhanguan",
  "Shunyi",
  "Tiantan",
  "Wanliu",
  "Wanshouxigong",
];

/** PM2.5 from weather and gases; levels as China's air quality index cuts them. PM10 would all but give it away. */
export const beijingAir = (stations: readonly string[] = STATIONS): DataSpec =>
  csv({
    path: stations.map((name) => `beijing-air/PRSA_Data_${name}_20130301-20170228.csv.gz`),
    schema: {
      columns: {
        No: "ignore",
        year: "ignore",
        day: "ignore",
        PM10: "ignore",
        "PM2.5": "label",
        wd: "categorical",
        station: "site",
      },
      others: "numeric",
      label: { as: "levels", thresholds: [35, 75, 115, 150, 250] },
    },
  });

export const heartDisease = csv({
  path: ["cleveland", "hungarian", "switzerland", "va"].map(
    (hospital) => `heart-disease/processed.${hospital}.data`,
  ),
  schema: {
    names: [
      ..."age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split(" "),
    ],
    columns: {
      cp: "categorical",
      restecg: "categorical",
      slope: "categorical",
      thal: "categorical",
      num: "label",
    },
    others: "numeric",
    label: { as: "above", threshold: 0 },
  },
});

/** Both files as one table: 47,736 connections. */
export const nslKdd = csv({
  path: ["nsl-kdd/KDDTrain+_20Percent.txt", "nsl-kdd/KDDTest+.txt"],
  schema: {
    names: (
      "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins " +
      "logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files " +
      "num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate " +
      "srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count " +
      "dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate " +
      "dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate label difficulty"
    ).split(" "),
    columns: {
      protocol_type: "categorical",
      service: "categorical",
      flag: "categorical",
      label: "label",
      difficulty: "ignore",
    },
    others: "numeric",
    label: {
      as: "groups",
      groups: {
        normal: ["normal"],
        dos: "back land neptune pod smurf teardrop apache2 udpstorm processtable worm mailbomb".split(
          " ",
        ),
        probe: "satan ipsweep nmap portsweep mscan saint".split(" "),
        u2r: "buffer_overflow loadmodule perl rootkit ps sqlattack xterm".split(" "),
      },
      rest: "r2l",
    },
  },
});
